"""The tables of earlier versions, which an upgrade takes over. Pure."""
