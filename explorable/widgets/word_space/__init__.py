"""WordSpace: what does a word become?"""
