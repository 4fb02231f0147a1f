"""TalkLift: modules of slots run by voice, with TalkLift's webhooks and REST towards a customer's backend."""
