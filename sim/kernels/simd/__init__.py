"""Eight draws side by side: numbers by lane, their memory, exp and log of them."""
