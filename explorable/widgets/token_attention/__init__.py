"""TokenAttention: which word made which part?"""
