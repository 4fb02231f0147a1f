"""How national numbers look, by calling code: trunk prefix, and lengths of the number behind calling code and trunk.

From the national numbering plans as filed with the ITU (E.164, operational bulletin), countries that dial in national
form on the lines we know; others get `ANY_PLAN`. Used by `config.numbers` where a line writes national numbers.
"""

from __future__ import annotations

from typing import NamedTuple


class Plan(NamedTuple):
    """A numbering plan.

    Attributes:
        trunk: Dialled before a national number and dropped in the international form.
        shortest, longest: Digits of a national significant number.
        international: Dialled before a calling code, besides ``00``.
    """

    trunk: str
    shortest: int
    longest: int
    international: str = "00"


ANY_PLAN = Plan("0", 7, 11)

PLANS = {
    "1": Plan("1", 10, 10, "011"),  # North America
    "7": Plan("8", 10, 10, "810"),  # Russia, Kazakhstan
    "20": Plan("0", 8, 10),  # Egypt
    "27": Plan("0", 9, 9),  # South Africa
    "30": Plan("", 10, 10),  # Greece
    "31": Plan("0", 9, 11),  # Netherlands
    "32": Plan("0", 8, 9),  # Belgium
    "33": Plan("0", 9, 9),  # France
    "34": Plan("", 9, 9),  # Spain
    "36": Plan("06", 8, 9),  # Hungary
    "39": Plan("", 6, 11),  # Italy: the 0 is part of the number
    "40": Plan("0", 9, 9),  # Romania
    "41": Plan("0", 9, 9),  # Switzerland
    "43": Plan("0", 4, 13),  # Austria
    "44": Plan("0", 9, 10),  # United Kingdom
    "45": Plan("", 8, 8),  # Denmark
    "46": Plan("0", 7, 9),  # Sweden
    "47": Plan("", 8, 8),  # Norway
    "48": Plan("", 9, 9),  # Poland
    "49": Plan("0", 5, 11),  # Germany
    "52": Plan("", 10, 10),  # Mexico
    "54": Plan("0", 10, 11),  # Argentina
    "55": Plan("0", 10, 11),  # Brazil
    "61": Plan("0", 9, 9, "0011"),  # Australia
    "64": Plan("0", 8, 10),  # New Zealand
    "65": Plan("", 8, 8, "000"),  # Singapore
    "81": Plan("0", 9, 10, "010"),  # Japan
    "86": Plan("0", 10, 11),  # China
    "90": Plan("0", 10, 10),  # Turkey
    "91": Plan("0", 10, 10),  # India
    "212": Plan("0", 9, 9),  # Morocco
    "213": Plan("0", 8, 9),  # Algeria
    "216": Plan("", 8, 8),  # Tunisia
    "221": Plan("", 9, 9),  # Senegal
    "225": Plan("", 10, 10),  # Ivory Coast: the 0 is part of the number
    "351": Plan("", 9, 9),  # Portugal
    "352": Plan("", 4, 11),  # Luxembourg
    "353": Plan("0", 7, 9),  # Ireland
    "354": Plan("", 7, 7),  # Iceland
    "358": Plan("0", 5, 12),  # Finland
    "377": Plan("", 8, 9),  # Monaco
    "420": Plan("", 9, 9),  # Czech Republic
    "852": Plan("", 8, 8, "001"),  # Hong Kong
    "971": Plan("0", 8, 9),  # United Arab Emirates
    "972": Plan("0", 8, 9),  # Israel
}
