"""Decide what a failed release withdraws, and how to roll back, restore names, and recover after a crash."""
