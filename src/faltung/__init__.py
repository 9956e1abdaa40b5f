"""Convolution as a rule for which inputs each output reads, and everything that follows from it."""
