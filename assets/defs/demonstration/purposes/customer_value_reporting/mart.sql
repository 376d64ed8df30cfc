-- One row for each customer with an order. The aggregate counts these rows and adds up their amounts.
SELECT
    currency_code,
    CASE
        WHEN receipt_count > 0 THEN 'online and in stores'
        WHEN order_count > 1 THEN 'online, often'
        ELSE 'online, once'
    END AS buys,
    last_order_quarter,
    order_count,
    order_amount_minor + refund_amount_minor AS net_amount_minor
FROM permitted
WHERE order_count > 0
