"""The report page: a study as one HTML file that needs nothing else, neither network nor folder."""

from vidscale.report.page.assemble import report_page

__all__ = ["report_page"]
