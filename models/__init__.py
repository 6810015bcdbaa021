"""The real models beside the minimal graphs."""
