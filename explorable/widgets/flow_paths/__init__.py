"""FlowPaths: when are straight paths cheap?"""
