"""What the guard is: the rules and sets that keep protected ports closed. Pure."""
