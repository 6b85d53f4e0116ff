"""The explorables, one file each: traits in, recomputed data, updated picture. Nobody imports this but the door."""
