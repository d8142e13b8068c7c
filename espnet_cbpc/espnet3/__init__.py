# SPDX-License-Identifier: Apache-2.0
"""The joint task in ESPnet3 (ESPnet 202611 or later): data, preprocessing, trained parts."""
