"""What is done when a call is over: stored before it is done, tried again until it is, told apart by a key."""
