"""Cron expressions, as people write them."""

from __future__ import annotations

RIGHT = (
    "0 3 * * *",
    "*/5 * * * *",
    "5/15 * * * *",
    "0-59/5 0,12 1-31/2 * mon-fri",
    "0 22-4 * * *",
    "0 0 * JAN,feb *",
    "0 0 ? * 7",
    "0 0 L * *",
    "0 0 15W * *",
    "0 0 * * 5#2",
    "0 0 * * L5",
    "  0   3 * * * ",
    "0 3 * * * 30",
    "@daily",
    "@quarterly",
)
WRONG = (
    "every day",
    "daily",
    "@reboot",
    "* * * *",
    "0 0 3 * * * * *",
    "60 * * * *",
    "0 24 * * *",
    "0 0 0 * *",
    "0 0 * 13 *",
    "0 0 * * 8",
    "0 0 * * someday",
    "*/0 * * * *",
    "1, * * * *",
    "-1 * * * *",
    "H * * * *",
)
