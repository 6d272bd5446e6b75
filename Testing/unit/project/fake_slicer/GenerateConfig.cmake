# Slicer writes RegExplainConfig.cmake here; nothing of it is ours.
