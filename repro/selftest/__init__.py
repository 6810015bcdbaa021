"""How good the judge and the lint are, measured."""
