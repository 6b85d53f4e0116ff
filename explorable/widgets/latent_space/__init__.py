"""LatentSpace: why work small?"""
