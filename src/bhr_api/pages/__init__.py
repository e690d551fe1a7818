"""The pages that people see, as HTML: templates, one style sheet, and the words for what apps ask for."""
