"""Training, phantoms and evaluation: everything around the library that a clinic does not need."""
