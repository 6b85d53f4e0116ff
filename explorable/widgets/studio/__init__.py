"""Studio: how do words become an image?"""
