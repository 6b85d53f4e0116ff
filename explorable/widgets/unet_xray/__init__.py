"""UNetXRay: what do the skips carry?"""
