"""What is said of gradients that were handed in: read, judged, reported."""
