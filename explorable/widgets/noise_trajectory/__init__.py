"""NoiseTrajectory: how does static become an image?"""
