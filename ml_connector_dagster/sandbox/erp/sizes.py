"""How much the generated ERP holds. Row counts are totals over all companies."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ErpSize:
    """Volumes of the generated ERP; every company gets an equal part.

    ``purchase_order_lines`` is met exactly; an order has one to ten lines.
    """

    companies: tuple[str, ...] = ("100", "200")
    divisions: tuple[str, ...] = ("AAA", "BBB")
    suppliers: int = 500
    customers: int = 2_000
    items: int = 5_000
    purchase_orders: int = 10_000
    purchase_order_lines: int = 40_000
    supplier_invoices: int = 15_000
    accounts: int = 60  # per division
    cost_centres: int = 20  # per division, dimension 2
    projects: int = 12  # per division, dimension 3
    product_lines: int = 6  # per division, dimension 4
    monthly_journals: int = 5  # per division: sales, wages, social security, rent, vehicles
    years: int = 3

    @classmethod
    def tiny(cls) -> "ErpSize":
        """Enough of everything for a test, made in a fraction of a second."""
        return cls(
            suppliers=20,
            customers=30,
            items=40,
            purchase_orders=60,
            purchase_order_lines=150,
            supplier_invoices=80,
            accounts=24,
            cost_centres=5,
            projects=3,
            product_lines=2,
            monthly_journals=1,
        )
