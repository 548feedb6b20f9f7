"""Before round 1: how reliable the experts are, how sure a pair must be, the exam, and round 0's readout."""
