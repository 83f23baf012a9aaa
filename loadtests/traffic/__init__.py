"""What to ask a gateway, when, and how to judge the answers: decisions without a clock, a socket or a load tool."""
