"""What destinations that take record by record share: the diff, the order, the safety of a crash.

A system is one folder beside this one that implements ``contract.Target`` and ``contract.Structure``.
"""
