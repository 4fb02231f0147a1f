"""Azure Speech: recognition through Microsoft's own SDK, synthesis through its REST interface."""
