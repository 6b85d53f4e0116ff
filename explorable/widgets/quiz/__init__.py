"""Quiz: papers of generated questions about what the other explorables show."""
