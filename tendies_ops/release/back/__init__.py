"""Withdraw a candidate, roll back, restore names, and recover after a crash."""
