"""GuidanceScale: what is "with minus without"?"""
