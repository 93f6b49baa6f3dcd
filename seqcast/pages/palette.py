"""The colours of charts in the light and in the dark theme."""

INK, MUTED, GRID, CARD = "#1c2430", "#667085", "#e7eaef", "#ffffff"
BLUE, ORANGE, GREEN, VIOLET, GREY = "#2563c9", "#c2570c", "#0f8a6a", "#7c4dbd", "#98a2b3"
SERIES_COLOURS = (BLUE, ORANGE, GREEN, VIOLET, GREY, "#b4235a", "#5f7d0a")
"""Colours of models, networks and parts, in this order."""
DARK = {
    INK: "#e6e9ef",
    MUTED: "#98a2b3",
    GRID: "#2a313c",
    CARD: "#1d232c",
    BLUE: "#6ea8fe",
    ORANGE: "#f0924a",
    GREEN: "#3fc79d",
    VIOLET: "#b794f6",
    GREY: "#7d8796",
    "#b4235a": "#f27ba8",
    "#5f7d0a": "#a9c952",
    "#183a8c": "#c7dcff",
}
"""The colour of the dark theme for each colour of the light one."""
TINTS = {BLUE: "rgba(37,99,201,", ORANGE: "rgba(194,87,12,"}
"""How the translucent form of a colour begins; its opacity and a bracket follow."""
DARK_TINTS = {TINTS[BLUE]: "rgba(110,168,254,", TINTS[ORANGE]: "rgba(240,146,74,"}
"""The same in the dark theme."""
RAMP = ((0.0, "rgba(37,99,201,0)"), (0.5, "rgba(37,99,201,0.55)"), (1.0, "#183a8c"))
"""Colours of weights, from nothing to the greatest."""
