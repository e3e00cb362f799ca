"""Why a number is what it is: comparison, attribution, sensitivity, one world step by step."""
