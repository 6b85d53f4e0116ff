"""The stage: plays a recording in the page, without a byte to the kernel."""
