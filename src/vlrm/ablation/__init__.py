"""What each part of the method is worth: arms that leave one part out, floors, ceilings, and the comparison."""
