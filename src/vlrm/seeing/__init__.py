"""Language models that see through experts: a photo becomes compact text, which stands where image tokens would."""
