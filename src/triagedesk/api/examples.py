"""Examples for the OpenAPI document; a test sends each of them to a running server."""

from __future__ import annotations

from typing import Any

_ANN: dict[str, Any] = {
    "agent_id": "ann",
    "name": "Ann Weber",
    "skills": {"VPN": 8, "Linux": 6},
    "current_load": 2,
    "availability_status": "available",
    "experience_level": 7,
}
_BOB: dict[str, Any] = {
    "agent_id": "bob",
    "name": "Bob Klein",
    "skills": {"Printers": 9, "Windows": 7},
    "current_load": 1,
    "availability_status": "available",
    "experience_level": 4,
}
_VPN: dict[str, Any] = {
    "ticket_id": "T-1001",
    "title": "VPN drops every few minutes",
    "description": "Since this morning the VPN disconnects, I cannot work from home.",
    "creation_timestamp": 1767603600,
}
_PRINTER: dict[str, Any] = {
    "ticket_id": "T-1002",
    "title": "Printer on floor 3 jams",
    "description": "Every second page gets stuck.",
    "creation_timestamp": "2026-01-05T09:05:00Z",
}

ASSIGNMENT: dict[str, Any] = {
    "with_agents": {
        "summary": "Agents and tickets together",
        "value": {"agents": [_ANN, _BOB], "tickets": [_VPN, _PRINTER]},
    },
    "own_agents": {
        "summary": "Tickets alone: the desk's own agents",
        "value": {"tickets": [{"ticket_id": "T-1003", "title": "Screen stays black"}]},
    },
    "loads_stated": {
        "summary": "Loads as stated here, also for agents the desk knows",
        "value": {
            "agents": [{**_ANN, "current_load": 5}, _BOB],
            "tickets": [{"ticket_id": "T-1004", "title": "Cannot print to the floor printer"}],
            "load_source": "request",
        },
    },
}
TICKETS: dict[str, Any] = {
    "one": {
        "summary": "One ticket",
        "value": {
            "id": "INC-4711",
            "short_description": "Forgot my password",
            "long_description": "I was on leave and cannot log in any more.",
            "requester_email": "kim@example.com",
            "created_at": "2026-01-05T08:12:00Z",
        },
    },
    "several": {
        "summary": "Several together; what arrives filled stays",
        "value": {
            "tickets": [
                {"id": "INC-4712", "short_description": "Laptop does not start"},
                {
                    "id": "INC-4713",
                    "short_description": "Mail server down for all users",
                    "impact": "high",
                    "urgency": "high",
                    "sla": {"value": 4, "unit": "hours"},
                },
            ]
        },
    },
}
CORRECTION: dict[str, Any] = {
    "password": {
        "summary": "As the catalog names it",
        "value": {"request_category": "Access", "request_type": "Reset password"},
    }
}
AGENT: dict[str, Any] = {
    "cy": {
        "summary": "An agent with two skills",
        "value": {
            "agent_id": "cy",
            "name": "Cy Moor",
            "skills": {"SAP_Basis": 8, "Databases": 5},
            "capacity": 15,
            "groups": ["Applications"],
            "email": "cy@example.com",
            "shift_ends_at": "2026-12-28T17:00:00Z",
        },
    },
    "dee": {
        "summary": "An agent with weekly hours",
        "value": {
            "agent_id": "dee",
            "name": "Dee Lang",
            "skills": {"Linux": 7},
            "shift": {
                "time_zone": "Europe/Berlin",
                "hours": {"mon-thu": "09:00-17:00", "friday": ["09:00-12:00", "13:00-15:00"]},
            },
        },
    },
}
AGENT_FIELDS: dict[str, Any] = {
    "more_skills": {
        "summary": "The same with one skill more",
        "value": {
            "name": "Cy Moor",
            "skills": {"SAP_Basis": 9, "Databases": 5, "Linux": 3},
            "capacity": 15,
        },
    }
}
AVAILABILITY: dict[str, Any] = {
    "away": {"summary": "Takes no new work", "value": {"availability_status": "away"}}
}
ACCEPT: dict[str, Any] = {"begin": {"summary": "Ann begins the work", "value": {"agent_id": "ann"}}}
DECLINE: dict[str, Any] = {
    "not_mine": {
        "summary": "It never comes back to her",
        "value": {"agent_id": "ann", "reason": "I have no access to this system"},
    }
}
HAND_BACK: dict[str, Any] = {
    "going_home": {
        "summary": "Somebody else goes on with it",
        "value": {"agent_id": "ann", "reason": "My shift is over"},
    }
}
REASSIGN: dict[str, Any] = {
    "to_bob": {
        "summary": "To Bob, also when he is full",
        "value": {"to": "bob", "reason": "He knows the customer", "anyway": True},
    }
}
RESEND: dict[str, Any] = {
    "same": {"summary": "To those in the settings", "value": {}},
    "other": {"summary": "To somebody else", "value": {"to": ["deputy@example.com"]}},
}
