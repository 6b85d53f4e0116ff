"""PatchTransformer: what does a transformer see?"""
