"""Which nodes belong to which result: kept as node attributes, so that a scene loaded from disk still knows."""

import vtk

import slicer

RESULT = "RegExplain.Result"
ROLE = "RegExplain.Role"
LAYER = "RegExplain.Layer"


def tag(node, resultId, role, layer=""):
    """Mark `node` as the one that plays `role` in a result, or in one of its layers."""
    for attribute, value in ((RESULT, resultId), (ROLE, role), (LAYER, layer)):
        node.SetAttribute(attribute, value or None)


def taggedNodes(scene, resultId=None, role=None, layer=None):
    """The nodes with these marks; None matches any, `layer=""` only what belongs to no layer."""
    tags = {RESULT: resultId, ROLE: role, LAYER: layer}
    tags = {attribute: value for attribute, value in tags.items() if value is not None}
    nodes = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
    return [n for n in nodes if n.GetAttribute(RESULT) and all((n.GetAttribute(a) or "") == v for a, v in tags.items())]


def hasTags(node, resultId, role, layer):
    """Whether it is the node that `tag` marked with these."""
    attributes = ((RESULT, resultId), (ROLE, role), (LAYER, layer))
    return all((node.GetAttribute(attribute) or "") == value for attribute, value in attributes)


def removeNodes(scene, nodes):
    """Remove the nodes, the display, storage and proxy nodes that are theirs, and their subject hierarchy items."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    for node in nodes + [dependent for owner in nodes for dependent in _dependents(owner)]:
        if node.GetScene() is None:  # it went with its owner
            continue
        item = hierarchy.GetItemByDataNode(node)
        scene.RemoveNode(node)
        if item and hierarchy.GetItemByDataNode(node):  # the application removes it by itself
            hierarchy.RemoveItem(item, False, False)


def _dependents(node):
    dependents = []
    if node.IsA("vtkMRMLSequenceBrowserNode"):
        proxies = vtk.vtkCollection()
        node.GetAllProxyNodes(proxies)
        for proxy in (proxies.GetItemAsObject(n) for n in range(proxies.GetNumberOfItems())):
            dependents += [proxy, *_dependents(proxy)]
    if node.IsA("vtkMRMLDisplayableNode"):
        dependents += [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]
    if node.IsA("vtkMRMLStorableNode"):
        dependents += [node.GetNthStorageNode(n) for n in range(node.GetNumberOfStorageNodes())]
    return [dependent for dependent in dependents if dependent is not None]
