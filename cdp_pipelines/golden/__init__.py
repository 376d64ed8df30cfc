"""The golden record: the best value of each attribute, contact points, households, conflicts and rectifications.

Here belongs what a customer's records say, across channels. What a purpose may see of it is in `cdp_pipelines.marts`.
"""
