"""Experts: models and measurements that report what is in an image, behind one small protocol."""
