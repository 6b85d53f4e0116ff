"""ClassifierGuidance: how can a classifier steer a model?"""
