"""Messages about matrices, the cases of a tensor and its axes."""

from __future__ import annotations

from thetaprime.codes_text import Code

MATRIX_CODES: dict[str, Code] = {
    "needs-matrix": Code(
        "`{name}` takes {wanted}", "`{text}` is {type}",
        reason="A tensor is a matrix where the spec says how it is seen: `param X : "
               "matrix[rows, cols]`, or `view x as matrix[rows, rest]`."),
    "shape-mismatch": Code(
        "the shapes do not fit: {shapes}", "{why}",
        ("axes fit where their names are the same, in the same order",),
        reason="Axes have names, and shapes fit where the names are the same: no number is needed "
               "to see that `A @ B` wants the rows of B to be the columns of A."),
    "needs-outer": Code(
        "`{left}` and `{right}` make no matrix by themselves", "{types}",
        ("`outer(r, c)` is the matrix of a column r and a row c; to add or to multiply entry by "
         "entry, both need the same axis",),
        reason="A vector goes into a matrix that has its axis; two vectors make one by `outer` "
               "only."),
    "ambiguous-axis": Code(
        "`{text}` could lie along the rows or the columns of {type}", "{own}",
        ("`diag(v)` puts a vector on the diagonal; `diag(v) @ A` scales the rows of A by it, "
         "`A @ diag(v)` the columns",),
        reason="Vectors go into matrices by the name of their axis, and this one stands twice."),
    "over-twice": Code(
        "{type} has the axis `{axis}` twice", "over which of them?",
        ("`over tensor` takes all entries; `tr(A)` sums the diagonal, `diagonal(A)` is it; `A @ v` "
         "sums the entries of each row, weighted by v",),
        reason="A reduction over an axis needs one axis of that name."),
    "square-power": Code(
        "`^` works entry by entry, on a matrix too", "the power of each entry",
        ("`A @ A` is the square of the matrix, `mpow(A, p)` a power of a symmetric one; if entries "
         "are meant, write `A*A`",),
        reason="Papers write the same for both.", severity="warning"),
    "identity-size": Code(
        "nothing says how large this `I` is", "an identity of which size?",
        ("add it to a matrix, `L + eps*I`, or give it to a state: `state L : matrix[rows, rows] = "
         "eps*I`",),
        reason="`I` takes its shape from the other side of its operation, or from what it "
               "defines."),
    "view-rank": Code(
        "not every tensor here can be seen as {type}", "for tensors of rank {wanted}",
        reason="A view names axes, and a tensor must have them."),
    "view-form": Code(
        "a tensor cannot be seen as {type}", "{why}",
        ("`matrix[rows, cols]`, `matrix[rows, rest]`, `tensor[rest, rows, cols]`: each axis once, "
         "`rest` for all that are not named",),
        reason="A view gives each axis of a tensor a name, and may take all others as one, "
               "`rest`."),
    "view-twice": Code(
        "the tensors are seen in two ways here", "another `view`, or a `param` with a type, is in "
        "force already", ("keep one of them, or put them into `case`s of their own",),
        reason="A view holds for the whole spec, or for the case in which it stands."),
    "not-the-parameter": Code(
        "`{name}` is not the parameter", "the parameter is `{point}`",
        ("write `{point}`: the gradient, and all that varies as `{point}` does, is seen the same "
         "way",),
        reason="Views and axes are those of the tensors of the model, and of all that varies as "
               "they do."),
    "case-gap": Code(
        "`{name}` is defined for some tensors only", "{why}",
        ("add `otherwise:`, or read it in a `case` with the same condition",),
        reason="Every tensor needs a step, and what is read must be there."),
    "case-overlap": Code(
        "a tensor can take both of these cases", "for example {example}",
        ("let the conditions exclude each other, or end with `otherwise:`",),
        reason="Cases are unordered, so that a tensor can take one of them only."),
    "case-never": Code(
        "no tensor takes this case", "{why}",
        ("remove it, or change a condition: the rank of a number is 0, of a vector 1, of a matrix "
         "2",),
        reason="A case that nothing takes is a slip of the pen or a leftover."),
    "case-condition": Code(
        "`{text}` is not known of a tensor before anything runs", "not a fact about a tensor",
        ("`rank`, an axis that the case's `view` names, or `path ~ \"*embed*\"`",),
        reason="Which case a tensor takes is decided once, by its shape and its path."),
    "case-item": Code(
        "`{what}` cannot stand in `{where}`", "not here",
        ("{fix}",),
        reason="Cases and axes hold what differs from tensor to tensor: equations, draws, states, "
               "constants and blocks. Hyperparameters and claims are the spec's."),
    "stray-otherwise": Code(
        "`otherwise` does not follow a `case`", "{why}",
        ("`case rank >= 2:` goes before it; a second `otherwise:` has nothing left to take",),
        reason="`otherwise` is for the tensors that the cases before it leave."),
    "axis-nested": Code(
        "the axes of a tensor are already gone through here", "an axis inside of an axis",
        ("put this `for axis` or `fold` beside the other one",),
        reason="Each axis has its own quantities; there are none for pairs of axes."),
    "axis-only": Code(
        "`{name}` is one for each axis of a tensor", "which axis?",
        ("read it in a `for axis a of x:` block, or in a fold, `d = fold a over axes from d = g:`; "
         "what leaves such a block varies along its axis: vector[a], matrix[a, a]",),
        reason="Tensors have axes, and their number differs from tensor to tensor."),
    "unfold-axis": Code(
        "`{name}` goes along the axis of a block over the axes of a tensor", "`{axis}` is {kind}",
        ("`for axis a of x:` or `d = fold a over axes from d = g:` around it, and `{name}(..., a)` "
         "inside",),
        reason="`unfold(g, a)` is the tensor as a matrix with the axis a first; a `view` names the "
               "axes of a tensor outside of such blocks."),
    "unknown-axis": Code(
        "tensors have no axis `{name}` here", "no axis",
        ("`param x : matrix[{name}, cols]` or `view x as matrix[{name}, rest]` gives them one, "
         "`for axis {name} of x:` each of theirs",),
        reason="The axes of a matrix are those that a `param`, a `view` or a `for axis` names, or "
               "whole numbers."),
    "axis-state": Code(
        "`{name}` is kept once for each axis, so that it varies along `{axis}`", "this is {type}",
        ("`state {name} : matrix[{axis}, {axis}] = ...`, or `vector[{axis}]`",),
        reason="States of `for axis` are families of vectors and matrices along the axis."),
    "many-results": Code(
        "`{text}` gives {count}", "{given}",
        ("`a = ...`: one name; only `qr`, `eigh` and `svd` have several results",),
        reason="`Q, R = qr(A)`, `lam, Q = eigh(A)`, `U, s, V = svd(A)`: an equation names all the "
               "results of an operation."),
    "svd-count": Code(
        "`{text}` is no number of singular values", "not a whole number that is known before "
        "anything runs", ("`hyper {name} : int = 4 in [1, inf)`, and `svd(A, {name})`",),
        reason="How many values are kept says how large matrices are, so that it is a whole "
               "hyperparameter or a number."),
    "flat-argument": Code(
        "`flat` takes one number per entry of the model", "`{text}` is {type}",
        ("`flat({text}*g)`, or `flat(0*x + {text})` for the same number in every entry",),
        reason="`flat(g)` is all entries of the model in one row, a vector[params]."),
    "unflat-argument": Code(
        "`unflat` takes a vector[params]", "`{text}` is {type}",
        ("`unflat(v)` is what `flat` made of a vector, or linear algebra of a matrix[params, "
         "params]: `unflat(solve(hess(x), flat(g)))`",),
        reason="`unflat(v)` gives each entry of the model its number of the row v."),
    "flat-beside": Code(
        "`{row}` is for all entries of the model at once, and `{text}` is {type}",
        "beside a {row_type}",
        reason="A vector[params] has all entries of the model in one row and no tensors. `flat` "
               "makes it, `unflat` goes back."),
    "flat-partly": Code(
        "`{name}` is for the whole model, and this is for some of its tensors",
        "in a case, in an arm of a route, or axis by axis",
        ("outside of a case, read what comes of it there: `d = unflat(solve(hess(x), flat(g)))`; "
         "an optimizer that asks for it takes the whole model, and no arm of a route",),
        reason="`params` is all entries of all tensors: the Hessian of some tensors only is "
               "another matrix."),
    "model-by-axis": Code(
        "a loop over axes goes through one tensor at a time", "`{text}` is of all tensors",
        ("what does not depend on the axis gets a name before the loop: `n = norm(g over model)`",),
        reason="Tensors differ in how many axes they have: what one axis gives has no sum over the "
               "model."),
    "square-axis": Code(
        "rows and columns of this matrix would both be `{axis}`", "`{text}`",
        ("`A.T @ A` is a matrix[params, params]",),
        reason="Of the matrices of the whole model only those along `params` may have an axis "
               "twice."),
}
