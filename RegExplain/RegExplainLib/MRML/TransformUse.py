"""A registration's transform or its inverse, applied to other nodes or hardened into a copy."""

import vtk

import slicer
from regexplain.errors import BadInputError

INVERSE_ROLE = "inverseTransform"


def transformFor(result, inverse=False):
    """The node to put something under: from the moving into the fixed space, or with `inverse` the other way."""
    return _inverseNode(result) if inverse else result.alignment


def isApplied(result, node):
    """Whether the registration's transform or its inverse is the parent of `node`."""
    parent = node.GetParentTransformNode()
    return parent is not None and parent in (result.alignment, result.node(INVERSE_ROLE))


def apply(result, node, inverse=False):
    """Put `node` under the transform; it can be taken out again. Raises BadInputError where it stands under another."""
    _checkNoParentTransform(node)
    node.SetAndObserveTransformNodeID(transformFor(result, inverse).GetID())


def unapply(node):
    node.SetAndObserveTransformNodeID(None)


def hardenedCopy(result, node, inverse=False):
    """A copy of `node` in the scene, moved for good; `node` stays as it is. Raises as `apply`."""
    _checkNoParentTransform(node)
    scene = node.GetScene()
    copy = scene.AddNewNodeByClass(node.GetClassName(), scene.GenerateUniqueName(f"{node.GetName()} registered"))
    copy.CopyContent(node)
    copy.CreateDefaultDisplayNodes()
    copy.SetAndObserveTransformNodeID(transformFor(result, inverse).GetID())
    copy.HardenTransform()
    return copy


def _checkNoParentTransform(node):
    parent = node.GetParentTransformNode()
    if parent is not None:
        raise BadInputError(
            f"{node.GetName()} stands under the transform {parent.GetName()} already; take it out in the module "
            "Transforms, or harden it there, then try again."
        )


def _inverseNode(result):
    """ToParent is the whole map of fixed to moving points: what is under it goes from the fixed to the moving space."""
    node = result.node(INVERSE_ROLE)
    if node is None:
        forward = vtk.vtkGeneralTransform()
        slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, result.alignment, forward)
        name = result.scene.GenerateUniqueName("Inverse of the registration")
        node = result.adopt(result.scene.AddNewNodeByClass("vtkMRMLTransformNode", name), INVERSE_ROLE)
        transform = vtk.vtkGeneralTransform()
        transform.DeepCopy(forward)  # the chain itself would go with the nodes
        node.SetAndObserveTransformToParent(transform)
    return node
