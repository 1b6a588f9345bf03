"""Pages and mails that operators may write themselves: Jinja2, everything in HTML escaped.

Configuration: `templates.custom_template_directory`. A template is looked for in the folders of its own subject (as
`user_consent.template_dir`), then in the operator's folder for all, then among those that come with the server, which
lie beside this file. Nothing is loaded before the first template is wanted: not even Jinja2. Files that change are read
again.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ranvier.templates.filters import format_ts, localpart_from_email, thumbnail_url

BUILT_IN: Final = os.path.dirname(__file__)


class TemplateMissing(Exception):
    """No folder has a template of this name."""


class TemplateFault(Exception):
    """A template cannot be filled in; the text is for the operator."""


class Templates:
    """Fills in templates."""

    def __init__(self, *, public_baseurl: str, custom: str | None = None, own: Sequence[str] = ()) -> None:
        """`custom` is the operator's folder for all subjects, `own` those of one subject, which come first."""
        self._public_baseurl = public_baseurl
        self._custom = custom
        self.folders: Final = (*own, *([] if custom is None else [custom]), BUILT_IN)
        """Where templates are looked for, in this order."""
        self._environment: Any = None

    def beside(self, *own: str) -> "Templates":
        """The templates of a subject that has folders of its own."""
        return Templates(public_baseurl=self._public_baseurl, custom=self._custom, own=own)

    def render(self, name: str, variables: Mapping[str, Any]) -> str:
        """The template with what it asks for filled in. Raises `TemplateMissing`, `TemplateFault`.

        Only names that end in `.html` or `.htm` are escaped: other texts are plain.
        """
        from jinja2 import TemplateError, TemplateNotFound

        try:
            text: str = self._env().get_template(name).render(variables)
        except TemplateNotFound as error:
            # A template that is there may want another that is not.
            if error.name == name:
                raise TemplateMissing(name) from error
            raise TemplateFault(f"{name}: there is no template {error.name}") from error
        except TemplateError as error:
            raise TemplateFault(f"{name}: {error}") from error
        except Exception as error:  # What an expression in a template does is the operator's affair.
            raise TemplateFault(f"{name}: {type(error).__name__}: {error}") from error
        return text

    def render_text(self, template: str, variables: Mapping[str, Any]) -> str:
        """A template that stands in the configuration; it is plain text. Raises `TemplateFault`."""
        from jinja2 import TemplateError

        try:
            text: str = self._env().overlay(autoescape=False).from_string(template).render(variables)
        except TemplateError as error:
            raise TemplateFault(str(error)) from error
        except Exception as error:  # As above.
            raise TemplateFault(f"{type(error).__name__}: {error}") from error
        return text

    def _env(self) -> Any:
        if self._environment is None:
            from jinja2 import Environment, FileSystemLoader, select_autoescape

            # Escaped is what is HTML by its name.
            environment = Environment(
                loader=FileSystemLoader(self.folders), autoescape=select_autoescape(("html", "htm"), default=False)
            )
            environment.filters.update(
                format_ts=format_ts,
                mxc_to_http=thumbnail_url(self._public_baseurl),
                localpart_from_email=localpart_from_email,
            )
            self._environment = environment
        return self._environment
