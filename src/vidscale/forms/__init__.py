"""Forms of the error law, declared as data."""

from vidscale.forms.catalogue import CATALOGUE, PAPER_FORMS, form
from vidscale.forms.declare import load_form, parse_form
from vidscale.forms.laws import Laws, weighted_sum
from vidscale.forms.posynomial import Exponent, Posynomial, Term
from vidscale.forms.render import latex, text

__all__ = ["CATALOGUE", "PAPER_FORMS", "Exponent", "Laws", "Posynomial", "Term", "form", "latex", "load_form",
           "parse_form", "text", "weighted_sum"]
