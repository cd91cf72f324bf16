"""Spec + parameters -> IR: arguments bound, conditions and tables decided, hierarchy and repeats kept."""
