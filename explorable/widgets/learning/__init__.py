"""Learning: a small network trained live in the plane, and one training step under the microscope."""
