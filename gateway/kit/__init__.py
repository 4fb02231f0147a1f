"""What several adapters need: HTTP with retries, signatures, budgets, and the queue behind `actions()`."""
