"""Any bot that takes and gives JSON over HTTP."""
