"""The report of a reproduction: one HTML file that needs no network, made from the reproduction's folder.

`content.collect` reads the folder, `page.write_report` writes `report.html` in it.
"""
